"""The rules of the workload controllers: values in, values and plans out."""
