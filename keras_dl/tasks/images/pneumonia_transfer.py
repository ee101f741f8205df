"""Pneumonia from chest radiographs with networks pretrained on ImageNet, as the course documents use them.

Source   documents B (`pneumonia-mobilenetv2`: reported accuracy .8013) and E (`pneumonia-inceptionv3`: .30;
         `pneumonia-vgg19`: .85 to .90; `pneumonia3-resnet101`, three classes: .81 frozen, about .70 fine-tuned);
         data Kermany et al. 2018, CC BY 4.0; weights keras.applications, Apache 2.0
Command  keras-dl train pneumonia-mobilenetv2 --data chest_xray/
Measured MobileNetV2, width 0.35: AUROC 0.997, accuracy 0.975, means of 3 seeds on about 785 of the published training
         radiographs, split by patient (HOG + SVM: 0.994, 0.969); 3 min on 2 CPU cores. The others: not yet measured

A frozen backbone's features are computed once for each image and kept; BatchNorm is in inference mode in every phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_dl.data.sets.images import chest_xray
from keras_dl.recipes import fitting, radiographs
from keras_dl.recipes.radiographs import Radiographs
from keras_dl.task import Assets, Data, Output, Phase, Ranges, Task, settings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Transfer(Radiographs):
    """The settings; the defaults are ours, what the documents have is in the records below."""

    backbone: Literal["MobileNetV2", "InceptionV3", "VGG19", "ResNet101"] = "MobileNetV2"  # from ImageNet
    weights: str = "imagenet"  # "imagenet" (downloaded), "none" (random), or a file (.h5, .weights.h5)
    alpha: float = 1.0  # width of MobileNetV2
    image_size: int = 224
    crop: float = 1.0  # share of the side, around the middle, that the backbone sees
    hidden: int = 128  # units of the dense layer before the last; not stated in the documents
    frozen: bool = True  # train only the head first
    epochs: int = 10  # for the head, or for all layers if frozen=false
    fine_epochs: int = 0  # epochs of the second phase, which trains the backbone too
    unfreeze: int = 0  # the first layer of the backbone to train in the second phase; 0: all
    optimizer: Literal["adam", "rmsprop"] = "adam"  # for all phases
    fine_learning_rate: float = 1e-4  # learning rate of the second phase
    schedule: Literal["cosine", "exponential"] = "cosine"  # how the learning rate falls within a phase
    decay: float = 1.0  # with schedule=exponential: the factor from epoch to epoch

    RANGES: ClassVar[Ranges] = {
        **Radiographs.RANGES,
        **{"alpha": (0.01, 2), "crop": (0.1, 1), "hidden": (0, 10_000), "decay": (0.01, 1)},
        **{"fine_epochs": (0, 100_000), "unfreeze": (0, 10_000), "fine_learning_rate": (1e-12, 1e3)},
    }


def prepare(config: Transfer) -> dict[str, str]:
    """Get the weights to begin with."""
    from keras_dl.recipes import pretrained

    names = ("backbone", "weights", "alpha", "image_size", "crop")
    return {"weights to begin with": pretrained.provenance(**settings.chosen(config, *names))}


def build(config: Transfer, assets: Assets, *, classes: int = 1) -> keras.Model:
    """Build the backbone with its weights, and a new head."""
    from keras_dl.recipes import pretrained

    names = ("backbone", "weights", "alpha", "image_size", "crop", "hidden", "dropout", "unfreeze")
    return pretrained.build(**settings.chosen(config, *names), classes=classes)


def phases(
    config: Transfer, data: Data, *, output: Output = radiographs.PNEUMONIA, monitor: str = "val_auroc"
) -> Sequence[Phase]:
    """Train the head on the frozen backbone's features, or all at once; then, where asked, fine-tune the backbone."""
    steps, stop = max(1, len(data.train) // config.batch_size), partial(fitting.early_stopping, monitor=monitor)

    def compile_model(model: keras.Model, first: int | None, rate: float, epochs: int) -> None:
        import keras

        from keras_dl.models.images.transfer import freeze

        freeze(model, before=first)
        falling = keras.optimizers.schedules.ExponentialDecay(rate, steps, config.decay)
        schedule = fitting.warm_cosine(rate, steps * epochs) if config.schedule == "cosine" else falling
        optimizer = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[config.optimizer]
        output.compile(model, optimizer(schedule))

    def phase(name: str, first: int | None, rate: float, epochs: int) -> Phase:
        compiled = partial(compile_model, first=first, rate=rate, epochs=epochs)
        return Phase(name, epochs, compiled, [stop], monitor, frozen="features" if first is None else "")

    if not config.frozen:
        return [phase("all", config.unfreeze, config.learning_rate, config.epochs)]
    head = phase("head", None, config.learning_rate, config.epochs)
    fine = phase("fine-tuning", config.unfreeze, config.fine_learning_rate, config.fine_epochs)
    return [head, fine] if config.fine_epochs else [head]


TINY: dict[str, Any] = {"backbone": "VGG19", "weights": "none", "image_size": 64, "epochs": 2, **radiographs.TINY}
POSE: dict[str, Any] = {"rotation": 15.0, "zoom": 0.1, "shift": 0.05, "flip": True, "fill": "reflect"}
EXPOSURE: dict[str, Any] = {"gamma": 0.5, "contrast": 0.3, "brightness": 0.1, "sharpness": 1.0, "noise": 0.03}

PNEUMONIA_MOBILENETV2 = Task(
    name="pneumonia-mobilenetv2",
    title="Pneumonia from chest radiographs, transfer from MobileNetV2",
    config=Transfer(fine_epochs=6, unfreeze=100, balance="classes", patience=15, **POSE, **EXPOSURE),
    recipes={
        "original": {
            "fine_epochs": 15,
            "learning_rate": 1e-4,
            "fine_learning_rate": 1e-4,
            "schedule": "exponential",
            "balance": "none",
            **dict.fromkeys((*POSE, *EXPOSURE), 0.0) | {"flip": False, "fill": "constant"},
        },
    },
    tiny={**TINY, "backbone": "MobileNetV2", "alpha": 0.35, "fine_epochs": 1, "unfreeze": 0},
    build=build,
    phases=phases,
    prepare=prepare,
    **radiographs.BINARY,
)
PNEUMONIA_INCEPTIONV3 = replace(
    PNEUMONIA_MOBILENETV2,
    name="pneumonia-inceptionv3",
    title="Pneumonia from chest radiographs, transfer from a frozen InceptionV3",
    config=Transfer(backbone="InceptionV3", image_size=299, schedule="exponential"),
    recipes={},
    tiny=TINY,
)
PNEUMONIA_VGG19 = replace(
    PNEUMONIA_INCEPTIONV3,
    name="pneumonia-vgg19",
    title="Pneumonia from chest radiographs, transfer from VGG19, all of it fine-tuned",
    config=Transfer(
        backbone="VGG19", image_size=256, crop=0.875, frozen=False, optimizer="rmsprop", learning_rate=1e-4,
        schedule="exponential", decay=0.9, **POSE,
    ),
    tiny={**TINY, "image_size": 74},  # 65 are left of it
)  # fmt: skip
PNEUMONIA3_RESNET101 = replace(
    PNEUMONIA_INCEPTIONV3,
    name="pneumonia3-resnet101",
    title="Bacterial or viral pneumonia from chest radiographs, transfer from ResNet101",
    config=Transfer(backbone="ResNet101", optimizer="rmsprop", schedule="exponential", decay=0.9, coverage=0.9),
    recipes={"fine-tuned": {"frozen": False, "learning_rate": 1e-4, **POSE}},
    build=partial(build, classes=len(chest_xray.KINDS)),
    phases=partial(phases, output=radiographs.KIND, monitor="val_accuracy"),
    **radiographs.KINDS,
)
