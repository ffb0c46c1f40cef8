"""The rules of a Pod's specification, for Pods and for templates, one file per part of it."""
