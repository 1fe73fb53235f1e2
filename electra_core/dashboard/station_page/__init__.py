"""The page of one live station: its model, what plays on it, and what people see and press."""
