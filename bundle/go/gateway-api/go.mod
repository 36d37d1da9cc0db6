module k8slab.dev/bundle/gateway-api

go 1.26.0

tool sigs.k8s.io/gateway-api/pkg/consts

require sigs.k8s.io/gateway-api v1.4.0 // indirect
