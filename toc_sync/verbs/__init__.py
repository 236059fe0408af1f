"""What people ask for, by subject: each verb is one transaction, one log line and one sentence as its answer."""
