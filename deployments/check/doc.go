// Package check holds the deployment files against the types that Docker Compose and Kubernetes read them with. It is a
// module of its own, so that those stay out of the service's dependencies.
package check
