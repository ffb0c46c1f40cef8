"""The rules of scheduling: Pods and nodes in, verdicts and scores out."""
