"""ServiceNow: the Table API, the Attachment API and the token endpoint of a stock instance."""
