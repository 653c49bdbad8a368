"""The pages: one module each with ``build``, called inside the page's own context."""
