"""A server with OpenAI's chat form: what it can do, what it is asked, what it answers."""
