"""The street: carries decisions out to devices. It decides nothing and knows no reasons."""
