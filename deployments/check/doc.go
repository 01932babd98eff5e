// Package check tests the deployment files of the service.
//
// It decodes them into the types of Docker Compose and Kubernetes. It is a module of its own, so that these types stay out of
// the service's dependencies.
package check
