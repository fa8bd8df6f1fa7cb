"""The measuring stick: a sink that plays central system, a reference client, and what runs both."""
