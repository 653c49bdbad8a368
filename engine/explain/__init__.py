"""Why a recommendation came about, measured by asking the models again, and how far to trust the answer."""
