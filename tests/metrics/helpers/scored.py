"""Labels and scores drawn by hypothesis: both classes, at least two scores, many ties."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def scored(draw):
    n = draw(st.integers(4, 25))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda v: 0 < sum(v) < n))
    s = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n).filter(lambda v: min(v) < max(v)))
    return np.array(y), np.array(s, float)
