"""The steps of profile: what changed since an earlier date, and users, products and series made of it or anew."""
