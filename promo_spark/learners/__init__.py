"""What fits models on a sample, stores them as text, and scores them; scikit-learn and LightGBM live here only."""
