"""Modal: the same stages in its containers, over a volume that mirrors a folder here; needs the `[modal]` extra.

`config` says how things are called, `paths` what lies where, `orders` what is asked of a container and `work` how it is
done there; `fleet` hands orders out and `executor` is what commands work with. `app` is what Modal deploys, `cloud`
calls it there, `rehearsal` here. Only `app`, `cloud` and `store` import the package of Modal.
"""
