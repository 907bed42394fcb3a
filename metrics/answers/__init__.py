"""What an answer and its samples say of themselves: normal forms, tokens, agreement."""
