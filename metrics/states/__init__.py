"""What hidden states tell: probes with their controls, transfer, the logit lens."""
