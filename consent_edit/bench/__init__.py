"""What is measured: the code behind ``consent-edit bench``, one reason a file."""
