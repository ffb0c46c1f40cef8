"""The runtime `vm`: a container in a virtual machine of its own, spoken to as an OCI runtime is.

conmon holds it like any other: `program` is the command it runs, `shepherd` the process it holds, which
keeps qemu and virtiofsd and carries streams, signals and exit codes between them and the guest. `guest` is
what runs inside. No third-party module is imported here but by `availability`, so that a holder stays small.
"""
