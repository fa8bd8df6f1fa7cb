"""Transactions: begin and end, their meter values, and the queue of their messages."""
