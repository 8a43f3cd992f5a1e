// A portfolio as TypeORM sees it. The schema itself is made by ../setup/migrations.sql.ts.
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

@Entity('portfolios')
export class Portfolio {
  /** Made by the app: a generated uuid column would make TypeORM ask for the extension uuid-ossp. */
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  /** A decimal string: the driver gives `numeric` as text, and nothing here turns it into a number. */
  @Column('numeric', { precision: 20, scale: 2 })
  cash!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
