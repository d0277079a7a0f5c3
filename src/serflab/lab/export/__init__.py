"""The lab on other machines: manifests for a Kubernetes cluster, and finding the serfs there."""
