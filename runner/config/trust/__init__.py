"""What an agent file can execute and reach, and the user's consent to exactly that."""
