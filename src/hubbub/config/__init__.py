"""Settings, frozen and checked as a whole."""

from hubbub.config.loading import load_settings
from hubbub.config.settings import ChannelSettings, JwtSettings, RoomSettings, Settings

__all__ = ["ChannelSettings", "JwtSettings", "RoomSettings", "Settings", "load_settings"]
