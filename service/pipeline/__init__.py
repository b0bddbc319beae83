"""The stages that carry a job from items to labels."""
