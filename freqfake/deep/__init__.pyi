from .detector import (
    DeepDetector as DeepDetector,
)
from .detector import (
    load_deep_detector as load_deep_detector,
)
from .epochs import Training as Training
from .networks.dldfd import DLDFD as DLDFD
from .networks.imagenet import load_imagenet as load_imagenet
from .networks.mesonet import (
    Meso4 as Meso4,
)
from .networks.mesonet import (
    MesoInception4 as MesoInception4,
)
from .networks.resnet import ResNet50 as ResNet50
from .networks.weights import (
    import_keras_weights as import_keras_weights,
)
from .networks.weights import (
    load_network as load_network,
)
from .networks.weights import (
    save_network as save_network,
)
from .training import train_network as train_network
