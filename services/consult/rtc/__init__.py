"""The media plane of a remote visit: a process that forwards each participant's audio and video to the others."""
