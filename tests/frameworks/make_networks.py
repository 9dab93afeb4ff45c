"""Runs in the frameworks image: writes small networks of random weights.

    make_networks.py caffe|torch|tflite

One process for each: PyTorch and TensorFlow do not bear each other.

- net.prototxt, net.caffemodel: Caffe, one image of 3 x 32 x 32.
- net.pt: TorchScript, one image of 3 x 32 x 32.
- two.pt: TorchScript with two inputs.
- checkpoint.pt: what a training leaves behind; not TorchScript.
- net.tflite: float TFLite, one image of 32 x 32 x 3. quantised.tflite: the same in INT8. half.tflite: the
  same with its weights in float16.
- block.tflite: a block as BlazeFace has them, channels padded, its weights in float16. negative.tflite: that
  and NEG, which the toolchain does not read.
"""

import sys
from pathlib import Path
from typing import Any

CAFFE = """
name: "net"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer {
  name: "first" type: "Convolution" bottom: "data" top: "first"
  convolution_param {
    num_output: 8 kernel_size: 3 stride: 2 pad: 1 weight_filler { type: "gaussian" std: 0.3 }
  }
}
layer { name: "slope" type: "PReLU" bottom: "first" top: "first" }
layer {
  name: "second" type: "Convolution" bottom: "first" top: "second"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } }
}
"""


def caffe_network() -> None:
    """Writes that of Caffe."""
    import caffe

    caffe.set_random_seed(1)
    Path("net.prototxt").write_text(CAFFE, encoding="utf-8")
    caffe.Net("net.prototxt", caffe.TEST).save("net.caffemodel")


def torch_networks() -> None:
    """Writes those of PyTorch."""
    import torch

    class Two(torch.nn.Module):  # type: ignore[misc] # only known where this runs
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.second = torch.nn.Conv2d(1, 4, 3, padding=1)

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.first(image) + self.second(mask))

    if torch.cuda.is_available():
        raise SystemExit("CUDA was taken out of the image, and torch believes that it is there")
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3, padding=1)
    ).eval()
    torch.jit.trace(net, torch.zeros(1, 3, 32, 32)).save("net.pt")
    torch.jit.trace(Two().eval(), (torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))).save("two.pt")
    torch.save({"epoch": 3, "model": net}, "checkpoint.pt")


def half(net: Any) -> bytes:  # noqa: ANN401 - a function of TensorFlow's
    """A network with its weights in float16."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def tflite_network() -> None:
    """Writes that of TFLite."""
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(1)
    first = tf.constant(generator.normal([3, 3, 3, 8], stddev=0.3))
    second = tf.constant(generator.normal([3, 3, 8, 4], stddev=0.3))

    @tf.function(input_signature=[tf.TensorSpec([1, 32, 32, 3], tf.float32)])  # type: ignore[untyped-decorator] # the same
    def net(image: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(image, first, 2, "SAME")), second, 1, "SAME")

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    Path("net.tflite").write_bytes(converter.convert())
    Path("half.tflite").write_bytes(half(net))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([generator.normal([1, 32, 32, 3])] for _ in range(8))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    Path("quantised.tflite").write_bytes(converter.convert())
    depthwise = tf.constant(generator.normal([3, 3, 3, 1], stddev=0.3))
    pointwise = tf.constant(generator.normal([1, 1, 3, 8], stddev=0.3))

    def block(image: tf.Tensor) -> tf.Tensor:
        convolved = tf.nn.depthwise_conv2d(image, depthwise, [1, 2, 2, 1], "SAME")
        convolved = tf.nn.conv2d(convolved, pointwise, 1, "SAME")
        pooled = tf.pad(tf.nn.max_pool2d(image, 2, 2, "SAME"), [[0, 0], [0, 0], [0, 0], [0, 5]])
        return tf.nn.relu(convolved + pooled)

    signature = [tf.TensorSpec([1, 32, 32, 3], tf.float32)]
    Path("block.tflite").write_bytes(half(tf.function(block, input_signature=signature)))
    negative = tf.function(lambda image: -block(image), input_signature=signature)
    Path("negative.tflite").write_bytes(half(negative))


{"caffe": caffe_network, "torch": torch_networks, "tflite": tflite_network}[sys.argv[1]]()
