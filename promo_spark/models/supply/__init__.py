"""What follows from forecasts for whoever buys the goods: how much to order, and what is wrong with supply."""
