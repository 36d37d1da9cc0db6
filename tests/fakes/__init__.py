"""What tests put in the place of the outside: computers, machines, servers, time."""
