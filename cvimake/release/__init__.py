"""What is shipped: cvimodels with all that one needs to use, audit and rebuild them."""
