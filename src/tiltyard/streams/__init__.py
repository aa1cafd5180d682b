"""Predictions from and to message brokers: Kafka, NATS JetStream, Redis Streams and RabbitMQ."""
