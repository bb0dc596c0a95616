"""What those who install ChatApp get beside the program: pages of the manual, completion for
shells, packages."""
