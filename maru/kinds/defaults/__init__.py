"""What the real server fills in where a writer says nothing; each function changes its value in place.

Source: k8s.io/kubernetes/pkg/apis/*/v1/defaults.go, the documented default of each field.
"""
