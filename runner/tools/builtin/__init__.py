"""The tools that come with the package: dates, files, tasks, questions to the user."""
