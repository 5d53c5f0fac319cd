module bulla.test/openbao

go 1.24.6

// v2.4.0, the newest that is to be had as a module: it is known by its commit since its module path lacks the "/v2".
require github.com/openbao/openbao v0.0.0-20250828202315-f9407a27fbee
require github.com/openbao/openbao/api/v2 v2.4.0
require github.com/openbao/openbao/sdk/v2 v2.4.0
