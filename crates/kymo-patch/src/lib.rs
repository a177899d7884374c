//! Applies patches to Kubernetes objects as the API server does.
