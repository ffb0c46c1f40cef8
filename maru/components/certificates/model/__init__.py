"""Pure rules: what a request asks for, who may have it, when a request has served its purpose."""
