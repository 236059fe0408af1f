"""The screens. Each page reads, shows and acts; rules about statuses live below, in `toc_sync`."""
