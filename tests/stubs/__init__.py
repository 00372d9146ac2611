"""Programs that stand in for the chat platforms: they speak the wire formats and refuse what those refuse."""
