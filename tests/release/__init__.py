"""What is made for those who install ChatApp."""
