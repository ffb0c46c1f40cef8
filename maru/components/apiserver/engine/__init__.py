"""What moves bytes: answers and upgraded connections passed on to nodes, Pods and Services."""
