"""The rules that a schema cannot say, in the real server's words; each function answers causes.

Source: k8s.io/kubernetes/pkg/apis/*/validation; k8s.io/apimachinery/pkg/util/validation.
"""
