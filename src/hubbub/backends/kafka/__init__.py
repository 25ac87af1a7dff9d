"""A shared log on Kafka, through librdkafka (confluent-kafka), whose threads do the waiting."""
