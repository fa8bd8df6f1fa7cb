"""The digital twin of a charger, and the notations of Easee's cloud: pure, without sockets and clocks."""
