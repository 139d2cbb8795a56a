"""Who cheats: equal orders, linked accounts, outliers, what all of it says together, and what is done about it."""
