"""The GPU agent: pulls jobs, runs the Piper pipeline, streams progress back."""
