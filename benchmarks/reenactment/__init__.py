"""Reenacted faces of known origin, to measure detectors on.

The network of M. Petruk, "Face-reenactment: generation flexibility and identity preservation"
(Ukrainian Catholic University, 2020), published as ActGAN (Kosarevych et al. 2020, arXiv
2003.13840): the expression of one person (source) is put on the face of another (target). It is a
measuring instrument and no part of the package. Every picture that it writes says that it is
synthetic, in a strip below the face and in a text chunk.
"""
