from .features import (
    plot_contributions as plot_contributions,
)
from .features import (
    plot_features as plot_features,
)
from .features import (
    plot_mixture as plot_mixture,
)
from .ratios import (
    plot_ece as plot_ece,
)
from .ratios import (
    plot_pav as plot_pav,
)
from .ratios import (
    plot_reliability as plot_reliability,
)
from .ratios import (
    plot_scores as plot_scores,
)
from .ratios import (
    plot_tippett as plot_tippett,
)
from .ratios import (
    plot_verbal_scale as plot_verbal_scale,
)
from .results import (
    plot_confusion as plot_confusion,
)
from .results import (
    plot_delivery as plot_delivery,
)
from .results import (
    plot_learning_curves as plot_learning_curves,
)
from .spectra import (
    plot_picture as plot_picture,
)
from .spectra import (
    plot_ring_agreement as plot_ring_agreement,
)
from .spectra import (
    plot_ring_profiles as plot_ring_profiles,
)
from .spectra import (
    plot_spectra as plot_spectra,
)
